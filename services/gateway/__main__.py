from kit.lifecycle import run
from services.gateway.app import Settings, build

run("gateway", Settings, build)
