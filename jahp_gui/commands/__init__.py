"""The commands of `jahp`, a module each with `add_arguments(parser)` and `run(args) -> int`.

`jahp_gui.cli` imports the module of the command that was asked for and no other: `jahp info` answers without torch.
"""
