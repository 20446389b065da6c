from kit.lifecycle import run
from services.webhooks.app import build
from services.webhooks.settings import Settings

run("webhooks", Settings, build)
