// Command torchwood checks a log, its checkpoints and its receipts with filippo.io/torchwood: the policy,
// the cosignatures, the client that reads every entry out of the tiles, the receipts.
//
//	torchwood log POLICY_FILE URL [OLDER_CHECKPOINT_FILE]
//	torchwood receipt POLICY_FILE EVENT_FILE RECEIPT_FILE
//	torchwood checkpoint POLICY_FILE CHECKPOINT_FILE
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:]); err != nil {
		log.Fatal("refused: ", err)
	}
}

func run(args []string) error {
	known := len(args) >= 3 && len(args) <= 4
	if !known {
		return errors.New("usage: torchwood log POLICY URL [OLDER] | receipt POLICY EVENT RECEIPT | checkpoint POLICY CHECKPOINT")
	}
	policies, err := readPolicy(args[1])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "log":
		return checkLog(policies, args[2], args[3:])
	case args[0] == "receipt" && len(args) == 4:
		return checkReceipt(policies, args[2], args[3])
	case args[0] == "checkpoint" && len(args) == 3:
		signed, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		_, err = checkCheckpoint(policies, signed)
		return err
	}
	return fmt.Errorf("%s: unknown, or not this many arguments", args[0])
}

// readPolicy reads one policy for each log of the file, each with the whole quorum: where a file names
// several logs the library asks for the signatures of all, and tlog-policy for that of any one.
func readPolicy(file string) ([]torchwood.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var logs, others []string
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == "log" {
			logs = append(logs, line)
		} else {
			others = append(others, line)
		}
	}
	if len(logs) == 0 {
		return nil, errors.New("the policy names no log")
	}
	var policies []torchwood.Policy
	for _, one := range logs {
		policy, err := torchwood.ParsePolicy([]byte(strings.Join(append([]string{one}, others...), "\n")))
		if err != nil {
			return nil, err
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

// checkCheckpoint asks for the signature of one of the policy's logs and for its quorum, and says when
// each cosigner signed.
func checkCheckpoint(policies []torchwood.Policy, signed []byte) (torchwood.Checkpoint, error) {
	var failed error
	for _, policy := range policies {
		checkpoint, opened, err := torchwood.VerifyCheckpoint(signed, policy)
		if err != nil {
			failed = err
			continue
		}
		fmt.Printf("a log of the policy and its quorum signed size %d\n", checkpoint.N)
		sayCosigners(checkpoint.Origin, opened.Sigs)
		return checkpoint, nil
	}
	return torchwood.Checkpoint{}, failed
}

// sayCosigners prints the time of every cosignature; the log's own signature has none.
func sayCosigners(origin string, signatures []note.Signature) {
	for _, signature := range signatures {
		if signature.Name == origin {
			continue
		}
		if seconds, err := torchwood.CosignatureTimestamp(signature); err == nil {
			fmt.Printf("%s cosigned at %s\n", signature.Name, time.Unix(seconds, 0).UTC().Format(time.RFC3339))
		}
	}
}

// checkReceipt checks a tlog-proof for the bytes of an event.
func checkReceipt(policies []torchwood.Policy, eventFile, receiptFile string) error {
	event, err := os.ReadFile(eventFile)
	if err != nil {
		return err
	}
	receipt, err := os.ReadFile(receiptFile)
	if err != nil {
		return err
	}
	var failed error
	for _, policy := range policies {
		failed = torchwood.VerifyProof(policy, tlog.RecordHash(event), receipt)
		if failed == nil {
			fmt.Println("the event is in the log, under a checkpoint of the policy's quorum")
			return nil
		}
		// A quorum has spoken for this checkpoint: another log key changes nothing.
		var notThere *torchwood.VerifyRecordError
		if errors.As(failed, &notThere) {
			break
		}
	}
	return failed
}

// checkLog reads every entry, each of which the client holds against the tiles, and these against the
// root of the checkpoint that the policy accepts.
func checkLog(policies []torchwood.Policy, url string, older []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	fetcher, err := torchwood.NewTileFetcher(url, torchwood.WithConcurrencyLimit(8))
	if err != nil {
		return err
	}
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return err
	}
	checkpoint, err := checkCheckpoint(policies, signed)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	var entries int64
	for index := range client.AllEntries(ctx, checkpoint.Tree, 0) {
		if index != entries {
			return fmt.Errorf("entry %d came as number %d", index, entries)
		}
		entries++
	}
	if err := client.Err(); err != nil {
		return err
	}
	if entries != checkpoint.N {
		return fmt.Errorf("%d entries of %d", entries, checkpoint.N)
	}
	fmt.Printf("%d entries hold under root %v\n", entries, checkpoint.Hash)
	for _, file := range older {
		if err := checkGrowth(ctx, policies, file, checkpoint.Tree, fetcher); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// checkGrowth proves from the tiles that the log only grew since an older checkpoint.
func checkGrowth(ctx context.Context, policies []torchwood.Policy, file string, tree tlog.Tree, tiles torchwood.TileReader) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	older, err := checkCheckpoint(policies, signed)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, older.N, torchwood.TileHashReaderWithContext(ctx, tree, tiles))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return err
	}
	fmt.Printf("grown from %d entries\n", older.N)
	return nil
}
