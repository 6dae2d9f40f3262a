"""Examples may take their time everywhere: a busy machine is no finding."""

from hypothesis import settings

settings.register_profile("relay", deadline=None)
settings.load_profile("relay")
