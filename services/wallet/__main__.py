from kit.lifecycle import run
from services.wallet.app import build
from services.wallet.settings import Settings

run("wallet", Settings, build)
