"""Host names that are one shop: checkouts, payment pages, locales and the addresses of platforms."""

# pyright: reportOperatorIssue=false, reportArgumentType=false, reportReturnType=false, reportIndexIssue=false
# Ibis makes the operators of its values at run time, where pyright cannot see them.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import ibis

from simpersona.errors import SourceError
from simpersona.events.materialize import materialize

CROSSING = 0.2
"""Hosts that belong together by name or by what is done there are one shop if at least this share of the smaller host's buyers
also occur at the other one."""
SOME = 0.02
"""Between this share and CROSSING it is not clear whether two hosts that belong together by name are one shop."""

_SMALL = 0.01  # share of the rows: a host with fewer and no orders, such as a page's copy in a translator
_MANY = 0.1  # share of the checkouts: fewer may be those of a small shop of which the log has little
_PLATFORMS = ("myshopify.com", "shopify.com", "shop.app", "mybigcommerce.com", "cartrocket.io", "recharge.com")
_SERVICES = (
    r"^(checkout|checkouts|kasse|caisse|pay|payment|payments|secure|order|orders|cart|basket|bestellung|buy)\d*$"
)
_BROWSING = ("product_viewed", "collection_viewed", "search_submitted")
_CHECKOUT = ("checkout_started", "checkout_completed")
_SHOWN = 12


class Host(NamedTuple):
    """A host name, and its rows, buyers, orders, views of products and lists, and rows of checkouts."""

    name: str
    rows: int
    buyers: int
    orders: int
    browsing: int
    checkouts: int

    @property
    def only_checkout(self) -> bool:
        """Whether people check out here and do nothing else."""
        return self.checkouts > 0 and self.browsing == 0

    @property
    def is_service(self) -> bool:
        """Whether this is by its name, or by what people do here, a part of a shop whose name is another."""
        name = self.name
        platform = any(name == end or name.endswith(f".{end}") for end in _PLATFORMS)
        return platform or bool(re.match(_SERVICES, name.partition(".")[0])) or self.only_checkout


def host_name(host: str) -> str:
    """The name of a host without "www.", without a port and in small letters."""
    return re.sub(r"^www\d?\.|\.?(:\d+)?$", "", host.strip().lower())


def shop_of_hosts(rows: ibis.Table, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The shop of each host that is not a shop of its own, by the column `shop_id` of the used rows, and warnings.

    Hosts in `given` have the shop that is named there. Names without a dot are no hosts and stay as they are.

    Raises SourceError if it is unsure whether hosts are one shop.
    """
    used = rows.filter(rows.reason.isnull() & rows.shop_id.contains(".")).select("shop_id", "buyer_id", "event")
    counts = used.group_by("shop_id").aggregate(
        rows=used.count(),
        buyers=used.buyer_id.nunique(),
        orders=(used.event == "checkout_completed").sum(),
        browsing=used.event.isin(_BROWSING).sum(),
        checkouts=used.event.isin(_CHECKOUT).sum(),
    )
    lines = counts.order_by("shop_id").to_pyarrow().to_pylist()
    hosts = [Host(line.pop("shop_id"), **line) for line in lines]
    if len(hosts) < 2:
        return {host.name: given[host.name] for host in hosts if host.name in given}, []
    return joined_hosts(hosts, _shared(used), given)


def joined_hosts(
    hosts: Sequence[Host], shared: Mapping[tuple[str, str], int], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The shop of each host that is not a shop of its own, and warnings.

    `shared` has the number of buyers that two hosts share, under their names in the order of the alphabet. The shop is
    named by the largest host that is no service. Two hosts are one shop if at least CROSSING of the smaller one's buyers occur
    at the other, and they belong together: by their names, or because one is a service or a checkout.

    Raises SourceError if hosts may be one shop: some buyers cross (SOME) between hosts that belong together; many cross
    (CROSSING) between hosts that do not; or a host has checkouts alone and shares too few buyers with any other.
    """
    given = {shop: shop for shop in given.values()} | dict(given)
    of_host = {host.name: given[host.name] for host in hosts if host.name in given}
    members: dict[str, list[Host]] = {}
    for host in hosts:
        if host.name in given:
            members.setdefault(given[host.name], []).append(host)
    open_hosts = [host for host in hosts if host.name not in given]
    unsure: list[str] = []
    joined: dict[str, list[str]] = {}
    all_rows = sum(host.rows for host in hosts)
    for host in sorted(open_hosts, key=lambda host: (host.is_service, -host.rows, host.name)):
        other, count = _closest(host, members, shared)
        share = count / max(host.buyers, 1)
        related = other is not None and (host.is_service or other.is_service or _site(host.name) == _site(other.name))
        shop = next((name for name, its_hosts in members.items() if other in its_hosts), host.name)
        small = host.rows < _SMALL * all_rows and not host.orders
        if other is not None and share >= CROSSING and (related or small):
            of_host[host.name] = shop
            members[shop].append(host)
            joined.setdefault(shop, []).append(f"{host.name} ({count:,} of its {host.buyers:,} buyers are also there)")
            continue
        crossing = other is not None and not small and share >= (SOME if related else CROSSING)
        if crossing or (members and _is_only_checkout_of_another(host, hosts)):
            unsure.append(host.name)
        members.setdefault(host.name, []).append(host)
    if unsure:
        raise SourceError(_question(hosts, shared, unsure))
    warnings = [
        f"The shop {shop} has several hosts: it is joined by {', '.join(names[:_SHOWN])}."
        ' source.shops says which hosts are one shop; {"HOST" = "HOST"} keeps one apart.'
        for shop, names in joined.items()
    ]
    return {name: shop for name, shop in of_host.items() if name != shop}, warnings


def _is_only_checkout_of_another(host: Host, hosts: Sequence[Host]) -> bool:
    """Whether people check out at this host alone, and it has many of the log's checkouts, and browse elsewhere."""
    checkouts = sum(other.checkouts for other in hosts)
    return host.only_checkout and host.checkouts >= _MANY * checkouts and any(other.browsing for other in hosts)


def _closest(
    host: Host, members: Mapping[str, Sequence[Host]], shared: Mapping[tuple[str, str], int]
) -> tuple[Host | None, int]:
    """The host of a shop that shares the most buyers with this one, and their number."""
    others = [(_count(shared, host, other), other) for hosts in members.values() for other in hosts]
    count, other = max(others, key=lambda pair: pair[0], default=(0, None))
    return (other, count) if count else (None, 0)


def _count(shared: Mapping[tuple[str, str], int], one: Host, two: Host) -> int:
    first, second = sorted((one.name, two.name))
    return shared.get((first, second), 0)


def _site(host: str) -> str:
    """The part of a host's name that one owner has: shop.example.com and example.com give example.com."""
    labels = host.split(".")
    second_level = (
        len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "net", "gov", "edu", "ac")
    )
    return ".".join(labels[-3:] if second_level else labels[-2:])


def _question(hosts: Sequence[Host], shared: Mapping[tuple[str, str], int], unsure: Sequence[str]) -> str:
    largest = sorted(hosts, key=lambda host: (host.name not in unsure, -host.rows, host.name))[:_SHOWN]
    largest.sort(key=lambda host: (-host.rows, host.name))
    width = max(len(host.name) for host in largest)
    lines = [f"  {'host':{width}}  {'rows':>9}  {'buyers':>9}  {'orders':>9}  shares buyers with"]
    for host in largest:
        counts = sorted(
            ((_count(shared, host, other), other.name) for other in hosts if other is not host), reverse=True
        )
        crossing = ", ".join(f"{name} ({count:,})" for count, name in counts[:3] if count) or "none"
        lines.append(f"  {host.name:{width}}  {host.rows:>9,}  {host.buyers:>9,}  {host.orders:>9,}  {crossing}")
    left_out = f"\n  and {len(hosts) - len(largest)} more" if len(hosts) > len(largest) else ""
    main = max((host for host in hosts if host.name not in unsure), key=lambda host: host.rows, default=largest[0]).name
    return (
        f"it is not clear whether {', '.join(unsure[:_SHOWN])} belong{'s' if len(unsure) == 1 else ''} to another host's shop."
        f" The hosts of the log:\n" + "\n".join(lines) + left_out + "\nName the shop of each in the config, as in"
        f' [source] shops = {{"{unsure[0]}" = "{main}"}}, or {{"{unsure[0]}" = "{unsure[0]}"}} for a shop of its own.'
        " If all is one shop, source.shop names it."
    )


def _shared(used: ibis.Table) -> dict[tuple[str, str], int]:
    """The number of buyers that two hosts share."""
    pairs = materialize(used.filter(used.buyer_id.notnull()).select("shop_id", "buyer_id").distinct(), "hosts")
    others = pairs.select(other="shop_id", of_buyer="buyer_id")
    both = pairs.join(others, [pairs.buyer_id == others.of_buyer, pairs.shop_id < others.other])
    counts = both.group_by("shop_id", "other").aggregate(buyers=both.count()).to_pyarrow().to_pylist()
    return {(line["shop_id"], line["other"]): line["buyers"] for line in counts}
