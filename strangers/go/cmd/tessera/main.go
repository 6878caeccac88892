// Command tessera checks a log and its receipts with the libraries of transparency-dev: Tessera's
// fsck and tile client, the policy and proof formats, and the Merkle proofs.
//
//	tessera fsck URL LOG_KEY
//	tessera receipt POLICY_FILE EVENT_FILE RECEIPT_FILE
//	tessera checkpoint POLICY_FILE CHECKPOINT_FILE
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	tlog "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("refused: ", err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "fsck":
		return checkLog(args[1], args[2])
	case len(args) == 4 && args[0] == "receipt":
		return checkReceipt(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "checkpoint":
		signed, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		_, err = checkCheckpoint(args[1], signed)
		return err
	}
	return errors.New("usage: tessera fsck URL LOG_KEY | receipt POLICY EVENT RECEIPT | checkpoint POLICY CHECKPOINT")
}

// checkLog reads every bundle, computes every tile from it and compares.
func checkLog(address, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	root, err := url.Parse(address)
	if err != nil {
		return err
	}
	fetcher, err := client.NewHTTPFetcher(root, &http.Client{Timeout: 30 * time.Second})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 2}).Check(ctx); err != nil {
		return err
	}
	fmt.Println("the log is whole")
	return nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// checkReceipt checks a tlog-proof for the bytes of an event.
func checkReceipt(policy, eventFile, receiptFile string) error {
	event, err := os.ReadFile(eventFile)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(receiptFile)
	if err != nil {
		return err
	}
	var receipt proof.TLogProof
	if err := receipt.Unmarshal(text); err != nil {
		return err
	}
	checkpoint, err := checkCheckpoint(policy, receipt.Checkpoint)
	if err != nil {
		return err
	}
	var path [][]byte
	for _, hash := range receipt.Hashes {
		path = append(path, hash[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(event)
	if err := merkle.VerifyInclusion(rfc6962.DefaultHasher, receipt.Index, checkpoint.Size, leaf, path, checkpoint.Hash); err != nil {
		return err
	}
	fmt.Printf("entry %d is in the log\n", receipt.Index)
	return nil
}

// checkCheckpoint asks for the signature of one of the policy's logs and for its quorum.
func checkCheckpoint(policyFile string, signed []byte) (*tlog.Checkpoint, error) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, err
	}
	logs, withAddresses, err := readPolicy(string(text))
	if err != nil {
		return nil, err
	}
	quorum, err := witness.ParsePolicy([]byte(withAddresses))
	if err != nil {
		return nil, err
	}
	failed := errors.New("the policy names no log")
	for _, verifier := range logs {
		checkpoint, _, _, err := tlog.ParseCheckpoint(signed, verifier.Name(), verifier)
		if err != nil {
			failed = err
			continue
		}
		if !quorum.Satisfied(signed) {
			return nil, errors.New("the quorum of the policy has not cosigned")
		}
		fmt.Printf("a log of the policy and its quorum signed size %d\n", checkpoint.Size)
		return checkpoint, nil
	}
	return nil, failed
}

// readPolicy takes the log keys, which the library passes over, and gives each witness an address,
// which the library asks for and tlog-policy leaves open.
func readPolicy(text string) ([]note.Verifier, string, error) {
	var logs []note.Verifier
	var addressed bytes.Buffer
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "log" {
			verifier, err := note.NewVerifier(fields[1])
			if err != nil {
				return nil, "", err
			}
			logs = append(logs, verifier)
		}
		if len(fields) == 3 && fields[0] == "witness" {
			line += " http://unused.example/"
		}
		addressed.WriteString(line + "\n")
	}
	return logs, addressed.String(), nil
}
