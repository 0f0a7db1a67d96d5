"""One function per stage: run folder in, run folder out. The rooms do the work; `pipeline` gives the order."""
