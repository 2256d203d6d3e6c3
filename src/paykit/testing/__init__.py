"""
For hosts and authors of adapters: tools to test paykit and what is built on it.

Import the package that you need; none is loaded here, so that an application which
never tests pays nothing.

``paykit.testing.conformance``
    What any adapter must keep to, as one pytest class to subclass. Needs pytest.
``paykit.testing.simulated``
    A provider with Stripe's semantics in memory, and `SimulatedPsp` in front of it.
``paykit.testing.stripe_server``
    The same provider behind Stripe's HTTP API, for the unchanged Stripe SDK.
"""
