import pytest
from tests.support import Shop
@pytest.mark.parametrize("n", range(4))
def test_it(shop: Shop, n: int) -> None:
    p = shop.paid(reference="o1")
