"""The panels of the window; each is built from the session alone and emits only what the user did."""
