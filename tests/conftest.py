"""What holds for every test: properties are asked of the same examples each time, however long one of them takes."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    deadline=None,  # a fifth of a second by default, which a busy machine exceeds
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")
