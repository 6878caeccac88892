// Command sumdb checks a log with Go's own golang.org/x/mod/sumdb: note for the signature of the
// checkpoint, tlog for every tile and every proof. Nothing of Medanchor is in it but the paths.
//
//	sumdb URL LOG_KEY [OLDER_CHECKPOINT_FILE]
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	maxFile    = 32 << 20
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || len(os.Args) > 4 {
		log.Fatal("usage: sumdb URL LOG_KEY [OLDER_CHECKPOINT_FILE]")
	}
	if err := check(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal("refused: ", err)
	}
}

func check(url, key string, older []string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	served := &server{url: strings.TrimSuffix(url, "/"), tiles: map[tlog.Tile][]byte{}}
	signed, err := served.get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := open(signed, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	hashes := tlog.TileHashReader(tree, served)
	if err := checkEntries(served, tree, hashes); err != nil {
		return err
	}
	for _, file := range older {
		if err := checkGrowth(file, verifier, tree, hashes); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries hold under root %v\n", tree.N, tree.Hash)
	return nil
}

// open checks the signature of a checkpoint and reads its three lines.
func open(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, errors.New("not three lines")
	}
	if lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("of %s, not of %s", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// checkEntries proves the record of every entry.
func checkEntries(served *server, tree tlog.Tree, hashes tlog.HashReader) error {
	for start := int64(0); start < tree.N; start += tileWidth {
		width := min(tileWidth, tree.N-start)
		entries, err := served.bundle(start/tileWidth, width)
		if err != nil {
			return err
		}
		for place, entry := range entries {
			index := start + int64(place)
			proof, err := tlog.ProveRecord(tree.N, index, hashes)
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return nil
}

// checkGrowth proves that the log only grew since an older checkpoint.
func checkGrowth(file string, verifier note.Verifier, tree tlog.Tree, hashes tlog.HashReader) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	older, err := open(signed, verifier)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	proof, err := tlog.ProveTree(tree.N, older.N, hashes)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Printf("grown from %d entries\n", older.N)
	return nil
}

// server reads a log by the paths of C2SP tlog-tiles; tlog checks each tile before it is kept.
type server struct {
	url   string
	tiles map[tlog.Tile][]byte
}

var client = http.Client{Timeout: 30 * time.Second}

func (s *server) get(path string) ([]byte, error) {
	answer, err := client.Get(s.url + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxFile+1))
	if err == nil && len(body) > maxFile {
		err = fmt.Errorf("%s: too long", path)
	}
	return body, err
}

// Height is the height of the tiles.
func (s *server) Height() int { return tileHeight }

// SaveTiles keeps tiles that were checked.
func (s *server) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		s.tiles[tile] = data[i]
	}
}

// ReadTiles reads tiles, the full one in the place of a partial one that is gone.
func (s *server) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if kept, ok := s.tiles[tile]; ok {
			data[i] = kept
			continue
		}
		base := fmt.Sprintf("tile/%d/%s", tile.L, place(tile.N))
		found, err := s.either(base, int64(tile.W))
		if err != nil {
			return nil, err
		}
		if wanted := tile.W * tlog.HashSize; len(found) > wanted {
			found = found[:wanted]
		}
		data[i] = found
	}
	return data, nil
}

func (s *server) bundle(index, width int64) ([][]byte, error) {
	found, err := s.either("tile/entries/"+place(index), width)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for int64(len(entries)) < width {
		if len(found) < 2 {
			return nil, fmt.Errorf("bundle %d is cut short", index)
		}
		length := int(binary.BigEndian.Uint16(found))
		if len(found) < 2+length {
			return nil, fmt.Errorf("bundle %d is cut short", index)
		}
		entries = append(entries, found[2:2+length])
		found = found[2+length:]
	}
	return entries, nil
}

func (s *server) either(base string, width int64) ([]byte, error) {
	if width == tileWidth {
		return s.get(base)
	}
	found, err := s.get(fmt.Sprintf("%s.p/%d", base, width))
	if err == nil {
		return found, nil
	}
	if full, fullErr := s.get(base); fullErr == nil {
		return full, nil
	}
	return nil, err
}

// place writes an index as x001/x234/067.
func place(n int64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	return path
}
