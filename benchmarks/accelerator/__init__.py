"""Training by decisions on another machine, which has an accelerator, little time, and hardly any package installed."""
