from kit.lifecycle import run
from services.wallet.app import Settings, build

run("wallet", Settings, build)
