"""
For hosts and authors of adapters: tools to test paykit and what is built on it.

Import the package that you need; none is loaded here, so that an application which
never tests pays nothing.

``paykit.testing.assertions``
    What must hold after any test: nobody paid twice, and the books balance.
``paykit.testing.broker``
    A message broker in memory, and a publisher of either kind for it.
``paykit.testing.clock``
    A clock that a test moves, for the service, its workers and the provider at once.
``paykit.testing.conformance``
    What any adapter, and any publisher, must keep to, as pytest classes to subclass.
    Needs pytest.
``paykit.testing.factories``
    Stripe's objects and events as JSON, with all their fields.
``paykit.testing.payments``
    Payments to begin a test with, made by the real operations.
``paykit.testing.permutations``
    Webhooks in any order, against a host's own handlers. Needs Hypothesis.
``paykit.testing.proxy``
    A TCP proxy that loses a request or the reply to it, before a database or a PSP.
``paykit.testing.quiet``
    A fresh shop of a host, and how it comes to rest.
``paykit.testing.simulated``
    A provider with Stripe's semantics in memory, and `SimulatedPsp` in front of it.
``paykit.testing.stripe_server``
    The same provider behind Stripe's HTTP API, for the unchanged Stripe SDK.
``paykit.testing.sweep``
    A crash after everything that a host does, its handlers included.
``paykit.testing.webhooks``
    Signed webhooks for a host's endpoint.

pytest has the fixtures ``paykit_clock``, ``paykit_engine``, ``simulated_provider``,
``simulated_psp`` and ``stripe_server`` wherever paykit is installed.
"""
