package dn

// What appendPlain does with a byte: the three that it looks at closer, or the lower
// case of any other. Zero stands for what needs the parser.
const (
	stop   = 0
	space  = 1
	comma  = 2
	equals = 3
)

// plainByte has the lower case of the bytes of a plain DN.
var plainByte = func() (table [256]byte) {
	for c := byte(' '); c <= '~'; c++ {
		table[c] = c
		if 'A' <= c && c <= 'Z' {
			table[c] = c + 'a' - 'A'
		}
	}
	for _, c := range []byte(`\"+;<>#`) {
		table[c] = stop
	}
	table[' '], table[','], table['='] = space, comma, equals
	return table
}()

// appendPlain writes the normal form of a plain DN, which is as long as the DN: ASCII
// that needs no parsing. Most DNs of most directories are plain. It reports whether
// the DN was; if not, what it wrote means nothing.
func appendPlain(out, dn []byte) bool {
	before, start, inType := byte(comma), 0, true
	for i, c := range dn {
		switch l := plainByte[c]; l {
		case stop:
			return false
		case space:
			if before <= equals {
				return false
			}
			out[i], before = ' ', space
		case comma:
			// An empty part and a space before a separator need the parser.
			if before <= equals {
				return false
			}
			out[i], before, start, inType = ',', comma, i+1, true
		case equals:
			// A second equals sign in a value stays as it is there and here.
			if before <= equals || inType && !plainType(out[start:i]) {
				return false
			}
			out[i], before, inType = '=', equals, false
		default:
			out[i], before = l, l
		}
	}
	return before > equals
}

// plainLower reports whether a DN is plain, and in lower case already.
func plainLower(dn string) (plain, lower bool) {
	lower = true
	before, start, inType := byte(comma), 0, true
	for i := range len(dn) {
		l := plainByte[dn[i]]
		if l <= equals && (l == stop || before <= equals) {
			return false, false
		}
		switch l {
		case comma:
			start, inType = i+1, true
		case equals:
			if inType && !plainType(dn[start:i]) {
				return false, false
			}
			inType = false
		case space:
		default:
			lower = lower && l == dn[i]
		}
		before = l
	}
	return before > equals, lower
}

// plainType reports whether a type is no other name of one of the nine types, which
// all have at most six letters.
func plainType[T string | []byte](name T) bool {
	if len(name) > len("street") || '0' <= name[0] && name[0] <= '9' {
		return false
	}
	return len(name) < 4 || name[3] != '.'
}
