"""Refunds: small ones are paid at once, large ones after somebody said yes."""

import re
from dataclasses import dataclass

from agent_framework import Executor, Workflow, WorkflowBuilder, WorkflowContext, handler, response_handler

LIMIT = 50
WISH = re.compile(r"refund\s+(?P<amount>\d+)\s+for\s+order\s+(?P<order>\w+)", re.IGNORECASE)


@dataclass
class Refund:
    """What is asked for; ``prompt`` is what a person reads."""

    order: str
    amount: int
    prompt: str


class Desk(Executor):
    """Take a wish in words, and ask when it is a large one."""

    @handler
    async def take(self, wish: str, ctx: WorkflowContext[None, str]) -> None:
        found = WISH.search(wish)
        if found is None:
            await ctx.yield_output('Say, for example: "Refund 80 for order A7".')
            return
        order, amount = found["order"], int(found["amount"])
        if amount <= LIMIT:
            await ctx.yield_output(f"Refunded {amount} for order {order}.")
            return
        await ctx.request_info(Refund(order, amount, f"Refund {amount} for order {order}? (yes or no)"), bool)

    @response_handler
    async def decided(self, refund: Refund, approved: bool, ctx: WorkflowContext[None, str]) -> None:
        if approved:
            await ctx.yield_output(f"Refunded {refund.amount} for order {refund.order}.")
        else:
            await ctx.yield_output(f"Order {refund.order} is not refunded.")


def build() -> Workflow:
    """Return a new workflow; the host calls this for every run, so no two people share one."""
    return WorkflowBuilder(start_executor=Desk(id="desk"), name="refunds").build()
