"""Three small stores in the manner of other shop software, served from this process, each with its own record of what happened.

They stand for stores that keep no event log for us: the record is the truth to which what is inferred from visits is compared.
"""
