#!/usr/bin/env bash
# Two network namespaces, joined by a pair of virtual cables, as two hosts: mpirun starts a rank on each, and they train
# together over TCP. Skipped (77) where namespaces may not be made.
# Usage: two_hosts_test.sh MPIRUN BIN_FOLDER WORK_FOLDER
set -euo pipefail
mpirun=$1 bin=$2 work=$3
command -v ip >/dev/null && ip netns add "mda$$" 2>/dev/null || { echo "no network namespaces here"; exit 77; }
a=mda$$ b=mdb$$
end() { for host in $a $b; do ip netns del $host 2>/dev/null || true; done; }
trap end EXIT
ip netns add $b
ip link add "va$$" netns $a type veth peer name "vb$$" netns $b
ip -n $a addr add 10.77.0.1/24 dev "va$$"
ip -n $b addr add 10.77.0.2/24 dev "vb$$"
for end in "$a va$$" "$b vb$$"; do
  ip -n ${end% *} link set "${end#* }" up
  ip -n ${end% *} link set lo up
done

rm -rf "$work"
mkdir -p "$work"
# What ssh does between real hosts: a shell over there.
cat >"$work/agent" <<END
#!/bin/sh
host=\$1; shift
case \$host in 10.77.0.1) host=$a ;; 10.77.0.2) host=$b ;; esac
exec ip netns exec \$host sh -c "\$*"
END
chmod +x "$work/agent"
"$bin/mdsynth" nyu --out "$work/data" --frames 4 --test-frames 1 --height 64 --width 96 --seed 1 >/dev/null
options=(--data "$work/data" --list nyu_train.txt --height 32 --width 64 --batch 2 --max-steps 3 --metric-depth
  --sync-batch-norm --no-report --device cpu --loader-threads 1)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
"$bin/mdtrain" "${options[@]}" --out "$work/one" >/dev/null
# Both namespaces have this machine's name: what Open MPI would do by shared memory goes over the cable.
timeout 100 ip netns exec $a "$mpirun" --host 10.77.0.1:1,10.77.0.2:1 -n 2 --mca plm_rsh_agent "$work/agent" \
  --mca btl self,tcp --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
  -x OMP_NUM_THREADS "$bin/mdtrain" "${options[@]}" --out "$work/two"
received=$(ip -n $b -s link show "vb$$" | awk '/RX:/ { getline; print $1 }')
echo "over the cable: $received bytes"
((received > 10000000)) || { echo "the gradients went another way"; exit 1; }
python3 - "$work" <<'END'
import json, sys
one, two = ([json.loads(line)["loss"] for line in open(f"{sys.argv[1]}/{run}/metrics.jsonl")] for run in ("one", "two"))
print(*zip(one, two))
assert len(one) == 3 and all(abs(x - y) < 1e-4 * x for x, y in zip(one, two))
END
