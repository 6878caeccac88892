// Command litewitness-aid gives a litewitness what it takes from other programs: a key in an ssh-agent,
// and the logs in its database.
//
//	litewitness-aid agent SOCKET                   serves a fresh key until it is killed; prints its fingerprint
//	litewitness-aid add-log DATABASE VERIFIER_KEY  lets the witness follow the log that has the key's name
//
// The second is what `witnessctl add-log` and `add-key` do. witnessctl needs sigsum.org/sigsum-go, for a
// kind of log that is not ours; where that module cannot be had, this program does without it.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "agent":
		return serveKey(args[1])
	case len(args) == 3 && args[0] == "add-log":
		return addLog(args[1], args[2])
	}
	return errors.New("usage: litewitness-aid agent SOCKET | add-log DATABASE VERIFIER_KEY")
}

// serveKey makes a key, listens, and only then says which key it is.
func serveKey(socket string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println(ssh.FingerprintSHA256(signer.PublicKey()))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			// It ends with the witness, which closes the connection.
			_ = agent.ServeAgent(keys, connection)
		}()
	}
}

// addLog adds a log of size zero and its key; the witness has made the tables when it started.
func addLog(database, key string) (err error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	empty, err := tlog.TreeHash(0, nil)
	if err != nil {
		return err
	}
	connection, err := sqlite.OpenConn(database, sqlite.OpenReadWrite, sqlite.OpenWAL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close()) }()
	defer sqlitex.Save(connection)(&err)
	row := func(statement string, values ...any) error {
		return sqlitex.Execute(connection, statement, &sqlitex.ExecOptions{Args: values})
	}
	if err := row("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", verifier.Name(), empty.String()); err != nil {
		return err
	}
	return row("INSERT INTO key (origin, key) VALUES (?, ?)", verifier.Name(), key)
}
