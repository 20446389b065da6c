from kit.lifecycle import run
from services.accounts.app import build
from services.accounts.settings import Settings

run("accounts", Settings, build)
