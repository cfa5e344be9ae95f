#!/bin/sh
# Start of one node of compose.yaml: makes the network or joins it the first time, then runs. Can be
# interrupted anywhere and started again.
set -eu
state=${OVERLANE_STATE:-/var/lib/overlane}
config=/etc/overlane/$NODE_NAME.yaml

# Writes the tokens of the nodes to invite as soon as the daemon answers.
invite_all() {
  until overlane status >/dev/null 2>&1; do sleep 0.2; done
  for name in $INVITES; do
    [ -e "/tokens/$name" ] && continue
    overlane invite "$name" >"/tokens/$name.new" && mv "/tokens/$name.new" "/tokens/$name" ||
      echo "no invite for $name: it is a member already?" >&2
  done
}

if [ ! -e "$state/membership.json" ]; then
  if [ -n "${INVITES:-}" ]; then
    overlane init compose --name "$NODE_NAME"
  else
    until [ -s "/tokens/$NODE_NAME" ]; do sleep 0.2; done
    overlane join - <"/tokens/$NODE_NAME"
    rm -f "/tokens/$NODE_NAME"
  fi
fi
[ -z "${INVITES:-}" ] || invite_all &
exec node --max-semi-space-size=2 --single-threaded-gc "$(command -v overlane)" up --config "$config"
