"""Examples may take their time: a busy machine is no finding."""

from hypothesis import settings

settings.register_profile("mail", deadline=None)
settings.load_profile("mail")
