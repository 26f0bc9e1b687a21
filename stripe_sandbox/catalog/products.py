"""Products: /v1/products, what prices are for."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

TEXTS = ("description", "statement_descriptor", "unit_label", "url")


def new_product(call: Call, name: str, metadata: dict[str, str] | None = None) -> StripeObject:
    """An active product, stored but without an event yet."""
    return call.add(
        {
            "id": new_id("prod"),
            "object": "product",
            "active": True,
            "created": call.now,
            "default_price": None,
            "description": None,
            "images": [],
            "livemode": False,
            "marketing_features": [],
            "metadata": metadata or {},
            "name": name,
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": None,
            "updated": call.now,
            "url": None,
        }
    )


@registry.post("/v1/products")
def create_product(call: Call) -> StripeObject:
    """A product by its name."""
    product = new_product(call, call.params.required_text("name"))
    _apply(call, product)
    call.emit("product.created", product)
    return product


def _apply(call: Call, product: StripeObject) -> None:
    for name in TEXTS:
        if name in call.params:
            product[name] = call.params.text(name)
    product["name"] = call.params.text("name", product["name"])
    product["active"] = call.params.boolean("active", default=product["active"])
    if "images" in call.params:
        product["images"] = call.params.array("images")
    product["metadata"] = call.params.merge_metadata(product["metadata"])


@registry.get("/v1/products")
def list_products(call: Call) -> StripeObject:
    """All of them, or those that are active or not."""
    wanted = call.params.boolean("active") if call.params.is_set("active") else None
    return call.page("product", lambda product: wanted in (None, product["active"]))


@registry.get("/v1/products/{id}")
def retrieve_product(call: Call) -> StripeObject:
    """One product."""
    return call.require("product", call.path["id"])


@registry.post("/v1/products/{id}")
def update_product(call: Call) -> StripeObject:
    """Change what is given."""
    product = retrieve_product(call)
    before = private_copy(product)
    _apply(call, product)
    if product != before:
        product["updated"] = call.now
        call.emit("product.updated", product, before=before)
    return product


@registry.delete("/v1/products/{id}")
def delete_product(call: Call) -> StripeObject:
    """Only a product without prices can be deleted; others can be made inactive."""
    product = retrieve_product(call)
    if call.select("price", lambda price: price["product"] == product["id"]):
        raise InvalidRequestError(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    call.emit("product.deleted", product)
    call.remove("product", product["id"])
    return {"id": product["id"], "object": "product", "deleted": True}
