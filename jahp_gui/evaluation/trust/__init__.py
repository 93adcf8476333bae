"""What was tried to break the program, and the table of what came of it: `python -m jahp_gui.evaluation.trust`.

mutations: damaged files, each from a number. subjects: what is done with them, and what must hold then. fuzz: many of
them, in processes that may crash. writes: files whose writers are killed. together: several encoders at once.
sizes: images from one pixel to 100 megapixels. times: how fast it all is.
"""
