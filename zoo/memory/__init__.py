"""How much memory and work a base takes to train and to serve, by arithmetic from its `config.json`.

`shape` reads sizes, `training` and `serving` say what is held and what a pass works with at its peak, `work`
counts operations, `fit` looks for the first settings that fit. Nothing here loads torch or looks at a device.
"""
