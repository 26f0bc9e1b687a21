import pytest

# So that a failure there shows what differs, as in a test's own file.
pytest.register_assert_rewrite("tests.service.domain.states.expected")
