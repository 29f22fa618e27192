#!/usr/bin/env bash
# Runs a command beside a Slurm of one node, whose daemons are its own and end with it; for tests and for
# trying things. Needs slurm-wlm and munge; exits with 69 where they are missing or do not start.
#
# usage: slurm-one-node.sh COMMAND...      in which sbatch, squeue and the others find this Slurm
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || { echo "$program is missing (slurm-wlm, munge)" >&2; exit 69; }
done
folder=$(mktemp -d)
daemons=()
stop() {
  kill "${daemons[@]}" 2>/dev/null || true
  # Daemons that were started with signals blocked hear nothing less than this.
  for _ in {1..20}; do kill -0 "${daemons[@]}" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "${daemons[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT
host=$(hostname -s)
port=$((20000 + RANDOM % 20000))
mkdir "$folder/state" "$folder/spool"
head -c 1024 /dev/urandom >"$folder/key"
chmod 400 "$folder/key"
cat >"$folder/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
munged --foreground --force --key-file="$folder/key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/seed" \
  >"$folder/munged.out" 2>&1 &
daemons+=($!)
for _ in {1..50}; do [ -S "$folder/munge.socket" ] && break; sleep 0.1; done
slurmctld -D -f "$SLURM_CONF" >"$folder/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D -f "$SLURM_CONF" -N "$host" >"$folder/slurmd.log" 2>&1 &
daemons+=($!)
for _ in {1..150}; do
  [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
  sleep 0.2
done
if [ "$(sinfo --noheader --format=%T 2>/dev/null)" != idle ]; then
  echo "Slurm does not start:" >&2
  tail -n 3 "$folder"/*.log >&2
  exit 69
fi
"$@"
