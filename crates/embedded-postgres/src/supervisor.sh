# Runs the Postgres server and ends it when the app is gone.
#
# stdin: a pipe from the app. It is never written to; it closes when the app ends, in any way.
# stdout: the server's pid, once. stderr: the server's log.
# $1: the throwaway folder to delete at the end, or nothing. The rest: the server's command.

folder=$1
shift

# The app ends us in order, through the pipe, and nothing else does.
trap '' HUP INT
exec 3<&0 </dev/null

"$@" 3<&- >&2 &
server=$!
echo "$server"
exec >&2
trap 'kill -INT "$server"' TERM
app_gone=
trap 'app_gone=yes' USR1

# Waits for the end of the pipe, then asks for a fast shutdown; again each second, because an
# early signal can be lost while the server starts. After 10 s the shutdown becomes immediate.
(
	trap - TERM USR1
	while read -r _ <&3; do :; done
	nap=
	trap '[ -z "$nap" ] || { kill "$nap"; wait "$nap"; } 2>/dev/null; exit' TERM
	kill -USR1 $$
	tries=0
	while [ "$tries" -lt 10 ]; do
		kill -INT "$server" 2>/dev/null || exit
		sleep 1 &
		nap=$!
		wait "$nap"
		tries=$((tries + 1))
	done
	kill -QUIT "$server" 2>/dev/null
) &
watcher=$!
exec 3<&-

# A signal interrupts wait, so the loop asks whether the server is really gone.
while kill -0 "$server" 2>/dev/null; do
	wait "$server"
done
# Quietly: the end of the log is for the server's words.
{ kill "$watcher"; wait "$watcher"; } 2>/dev/null

# A server that ended by itself leaves its folder to the app, which may start it again.
case $app_gone$folder in
	yes/*/embedded-postgres-throwaway-????????????????) rm -rf -- "$folder" ;;
esac
