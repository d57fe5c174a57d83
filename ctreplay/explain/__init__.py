"""Why a packet got its verdict, and how a connection lived: answers with numbers, from a replay that is watched."""
