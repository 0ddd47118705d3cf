package state

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// AuditKeyName is the file in the state folder with the key that signs heads of the
// audit. It is not part of the state: whoever gets hold of a copy cannot sign.
const AuditKeyName = "audit.key"

// signer is the key of this state.
type signer struct{ ed25519.PrivateKey }

func (s signer) public() string {
	public, _ := s.Public().(ed25519.PublicKey) // It is one by its type.
	return base64.StdEncoding.EncodeToString(public)
}

func (s signer) sign(h run.AuditHead) run.AuditHead {
	h.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(s.PrivateKey, h.SignedText()))
	return h
}

func (s signer) signed(h run.AuditHead) bool {
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	public, _ := s.Public().(ed25519.PublicKey) // It is one by its type.
	return err == nil && ed25519.Verify(public, h.SignedText(), signature)
}

// Head gives the signed end of the audit.
func (db *DB) Head() (run.AuditHead, error) {
	var head auditHead
	err := db.view("read audit", func(tx *bbolt.Tx) (err error) {
		head, err = readAuditHead(tx)
		return err
	})
	if err != nil {
		return run.AuditHead{}, err
	}
	key, err := db.auditKey()
	if err != nil {
		return run.AuditHead{}, err
	}
	return key.sign(run.AuditHead{Seq: head.Seq, Hash: head.Hash}), nil
}

// auditKey reads the key, or makes it on first use.
func (db *DB) auditKey() (signer, error) {
	db.keyLock.Lock()
	defer db.keyLock.Unlock()
	if db.key.PrivateKey != nil {
		return db.key, nil
	}
	path := filepath.Join(db.opts.Dir, AuditKeyName)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) && !db.opts.ReadOnly {
		if err = makeKey(path); err == nil {
			db.opts.Logger.Info("key of the audit made", "path", path)
			key, err = readKey(path)
		}
	}
	if err != nil {
		return signer{}, fault.New(fault.Damaged, "read key of the audit", path, err,
			"The key signs the head of the audit. Only the user that runs the program may read it: chmod 600. Without a copy of a lost or damaged key "+
				"move the file away; a new one is made, and heads signed with the old one can no longer be checked.")
	}
	db.key = signer{key}
	return db.key, nil
}

func readKey(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("its mode is %s: others than its owner may use it", info.Mode())
	}
	text := make([]byte, 4096)
	n, err := f.Read(text)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text[:n])
	if block == nil {
		return nil, errors.New("it holds no key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("it holds no Ed25519 key")
	}
	return key, nil
}

// makeKey writes a new key, whole or not at all, and never over one that is there.
func makeKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), AuditKeyName+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // The key goes on under its own name.
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
