from services.gateway.app import Settings, build

from kit.lifecycle import run

run("gateway", Settings, build)
