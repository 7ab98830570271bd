"""A season at two sites: a microphone breaks, and a model learns to hear by it.

``python -m examples.season`` plays its ten simulated weeks on moto in this process, by the use
cases that the functions run, under a clock of its own: ``world`` is what there is to hear,
``cloud`` the deployment, ``story`` what happens, and ``report`` what is told of it afterwards.
"""
