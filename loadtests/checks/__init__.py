"""The checks of the profile `load`: what a server promises about its speed, from outside."""
