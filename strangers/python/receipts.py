"""Checks a transparent statement (RFC 9943) with scitt-cose: each COSE Receipt (RFC 9942) in it must be
signed by one of the keys, and by enough different keys together.

    receipts.py STATEMENT QUORUM KEY.pem...

The leaf is the statement as it stands in the log: with an empty unprotected header, so without the
receipts.
"""

import sys

import cbor2
from scitt_cose import CoseError, extract_receipts, verify_receipt


def main() -> int:
    statement = open(sys.argv[1], "rb").read()
    quorum = int(sys.argv[2])
    keys = {path: open(path, "rb").read() for path in sys.argv[3:]}

    leaf = leaf_of(statement)
    signers, roots = set(), set()
    for receipt in extract_receipts(statement):
        signer, result = verified(receipt, leaf, keys)
        if signer is None:
            print(f"refused: a receipt is by none of the keys: {result.errors}", file=sys.stderr)
            return 1
        signers.add(signer)
        roots.add((result.root, result.tree_size, result.leaf_index))
    if len(signers) < quorum or len(roots) != 1:
        print(f"refused: {len(signers)} signers of {len(roots)} roots", file=sys.stderr)
        return 1
    root, size, index = roots.pop()
    print(f"entry {index} is under root {root} of size {size}, says {len(signers)} signers")
    return 0


def leaf_of(statement: bytes) -> bytes:
    """The bytes that were logged: the same COSE_Sign1 with an empty unprotected header."""
    sign1 = cbor2.loads(statement)
    protected, _, payload, signature = sign1.value
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def verified(receipt, leaf, keys):
    result = None
    for path, key in keys.items():
        result = verify_receipt(receipt, leaf_entry_hex=leaf.hex(), log_public_key_pem=key)
        if result.ok:
            return path, result
    return None, result


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CoseError, cbor2.CBORDecodeError) as error:
        sys.exit(f"refused: {error}")
