"""
For hosts and authors of adapters: tools to test paykit and what is built on it.

Import the package that you need; none is loaded here, so that an application which
never tests pays nothing.

``paykit.testing.assertions``
    What must hold after any test: nobody paid twice, and the books balance.
``paykit.testing.clock``
    A clock that a test moves, for the service, its workers and the provider at once.
``paykit.testing.conformance``
    What any adapter must keep to, as one pytest class to subclass. Needs pytest.
``paykit.testing.factories``
    Stripe's objects and events as JSON, with all their fields.
``paykit.testing.payments``
    Payments to begin a test with, made by the real operations.
``paykit.testing.simulated``
    A provider with Stripe's semantics in memory, and `SimulatedPsp` in front of it.
``paykit.testing.stripe_server``
    The same provider behind Stripe's HTTP API, for the unchanged Stripe SDK.
``paykit.testing.webhooks``
    Signed webhooks for a host's endpoint.

pytest has the fixtures ``paykit_clock``, ``paykit_engine``, ``simulated_provider``,
``simulated_psp`` and ``stripe_server`` wherever paykit is installed.
"""
