"""Transactions over plain objects: all or nothing, in memory and on disk."""

from pathlib import Path

import pytest

from stripe_sandbox.store import Store, StoreUnusableError, StripeObject


def customer(object_id: str, name: str = "Ada") -> StripeObject:
    return {"object": "customer", "id": object_id, "name": name}


def add(store: Store, *objects: StripeObject) -> None:
    transaction = store.begin()
    for obj in objects:
        transaction.add("acct_1", obj)
    transaction.commit()


def names(store: Store) -> list[str]:
    return [found["name"] for found in store.newest_first("acct_1", "customer")]


def test_a_change_in_place_is_committed() -> None:
    store = Store()
    add(store, customer("cus_1"))
    transaction = store.begin()
    found = transaction.get("acct_1", "customer", "cus_1")
    assert found is not None
    found["name"] = "Bob"
    assert transaction.get("acct_1", "customer", "cus_1") is found
    assert names(store) == ["Ada"]
    transaction.commit()
    assert names(store) == ["Bob"]


def test_a_dropped_transaction_leaves_nothing() -> None:
    store = Store()
    add(store, customer("cus_1"))
    transaction = store.begin()
    transaction.add("acct_1", customer("cus_2"))
    transaction.delete("acct_1", "customer", "cus_1")
    ran = []
    transaction.after_commit(lambda: ran.append(1))
    del transaction
    assert names(store) == ["Ada"]
    assert ran == []


def test_a_transaction_sees_its_own_changes_newest_first() -> None:
    store = Store()
    add(store, customer("cus_1", "one"), customer("cus_2", "two"))
    transaction = store.begin()
    transaction.add("acct_1", customer("cus_3", "three"))
    transaction.delete("acct_1", "customer", "cus_1")
    changed = transaction.get("acct_1", "customer", "cus_2")
    assert changed is not None
    changed["name"] = "zwei"
    seen = [found["name"] for found in transaction.newest_first("acct_1", "customer")]
    assert seen == ["three", "zwei"]


def test_accounts_do_not_see_each_other() -> None:
    store = Store()
    add(store, customer("cus_1"))
    assert store.read("acct_2", "customer", "cus_1") is None
    assert store.accounts_with("customer") == ["acct_1"]


def test_a_file_keeps_everything_in_order(tmp_path: Path) -> None:
    path = tmp_path / "state" / "stripe.sqlite"
    store = Store(path)
    add(store, customer("cus_1", "one"), customer("cus_2", "two"))
    add(store, customer("cus_1", "eins"))
    add(store, customer("cus_3", "three"))
    transaction = store.begin()
    transaction.delete("acct_1", "customer", "cus_3")
    transaction.commit()
    store.close()
    reopened = Store(path)
    assert names(reopened) == ["two", "eins"]
    reopened.clear()
    reopened.close()
    emptied = Store(path)
    assert names(emptied) == []
    emptied.close()


def test_a_file_has_one_owner(tmp_path: Path) -> None:
    store = Store(tmp_path / "stripe.sqlite")
    with pytest.raises(StoreUnusableError, match="locked"):
        Store(tmp_path / "stripe.sqlite")
    store.close()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, this is no database at all. " * 50)
    with pytest.raises(StoreUnusableError, match="not a database"):
        Store(path)
    with pytest.raises(StoreUnusableError):
        Store(path / "below" / "a-file.sqlite")


def test_a_file_that_cannot_be_written_keeps_memory_unchanged(tmp_path: Path) -> None:
    store = Store(tmp_path / "stripe.sqlite")
    add(store, customer("cus_1"))
    with pytest.raises(TypeError):
        add(store, customer("cus_2", name=object()))  # type: ignore[arg-type] # not JSON
    assert names(store) == ["Ada"]
    store.close()
    reopened = Store(tmp_path / "stripe.sqlite")
    assert names(reopened) == ["Ada"]
    reopened.close()
