"""The shapes in annotations hold: the tests check each call of a function or dataclass that states one."""

import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from simpersona.buyers.channels import Projection
from simpersona.buyers.scaling import RobustZ, transform_scalars
from simpersona.evaluation.resampling import holm


def test_a_wrong_shape_raises():
    assert transform_scalars(np.zeros((2, 16))).shape == (2, 16)
    with pytest.raises(TypeCheckError, match="transform_scalars"):
        transform_scalars(np.zeros((2, 15)))


def test_a_wrong_number_type_raises():
    with pytest.raises(TypeCheckError, match="holm"):
        holm(np.array([1, 0]))


def test_fields_of_a_dataclass_that_do_not_fit_together_raise():
    with pytest.raises(TypeCheckError, match="Projection"):
        Projection(weight=np.zeros((4, 2)), bias=np.zeros(3), explained_variance=1.0)


def test_class_methods_and_instances_that_are_called_are_checked():
    scaling = RobustZ.fit(np.arange(6.0).reshape(3, 2), clip=10.0)
    for wrong in (RobustZ.fit, scaling):
        with pytest.raises(TypeCheckError):
            wrong(np.zeros(3), *([10.0] if wrong is not scaling else []))


def test_the_package_alone_checks_nothing_and_needs_no_type_checker():
    code = (
        "import sys; sys.modules['beartype'] = None; import numpy; from simpersona.evaluation import resampling;"
        "assert list(resampling.holm(numpy.array([1, 0]))) == [1, 0]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
