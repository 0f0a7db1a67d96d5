"""One episode in one store: page, prompt, loop. Shared by traces and simulation."""
