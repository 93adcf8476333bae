"""JAHP Explorer: learned image compression with joint autoregressive and hierarchical priors."""

__version__ = "0.16.0"
