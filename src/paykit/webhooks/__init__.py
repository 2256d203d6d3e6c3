"""What comes in: verified, stored raw and answered; a worker does the rest."""

from __future__ import annotations

from paykit.webhooks.receiver import (
    AsyncWebhookReceiver,
    WebhookReceiver,
    WebhookResponse,
)

__all__ = ["AsyncWebhookReceiver", "WebhookReceiver", "WebhookResponse"]
