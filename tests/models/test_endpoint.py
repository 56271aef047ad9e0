import pytest
from pydantic import ValidationError

from models.endpoint import Endpoint


@pytest.mark.parametrize("name", ["TONEBRIDGE_SERVICE_TOKEN", "TONEBRIDGE_X_API_KEY", "PATH", "my_api_key"])
def test_a_key_variable_is_no_other_secret(name):
    with pytest.raises(ValidationError, match="MISTRAL_API_KEY"):
        Endpoint(base_url="https://host/v1", model="m", key_variable=name)


@pytest.mark.parametrize("url", ["host/v1", "ftp://host", "https://key@host/v1", "https://host/v1?key=x"])
def test_a_url_that_has_no_host_or_has_a_key_is_refused(url):
    with pytest.raises(ValidationError, match="URL"):
        Endpoint(base_url=url, model="m")


def test_the_cost_is_by_the_million_of_tokens():
    endpoint = Endpoint(base_url="https://host/v1", model="m", input_usd=0.5, output_usd=2)
    assert endpoint.cost_usd(1_000_000, 0) == 0.5
    assert endpoint.cost_usd(2000, 500) == pytest.approx(0.002)
