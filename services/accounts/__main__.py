from kit.lifecycle import run
from services.accounts.app import Settings, build

run("accounts", Settings, build)
