package plan

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"groupsyncd/sync/run"
)

// dataField is how the name of a field begins that is a value in a group's data; its values
// are JSON as text, and nil where there is none.
const dataField = "data."

const configField = dataField + "config."

// jsonObject reads one level of a JSON object; anything else is an empty one.
func jsonObject(b json.RawMessage) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if json.Unmarshal(b, &m) != nil || m == nil {
		return map[string]json.RawMessage{}
	}
	return m
}

// compactJSON writes JSON without space, the keys of objects in order and numbers as they are.
func compactJSON(b json.RawMessage) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return b
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return b
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// dataFields compares the data of a group with what a file has for it: the two levels at which
// servers merge. What the file does not name is none of it, and neither is our note.
func dataFields(have, want json.RawMessage) []run.Field {
	held, named := jsonObject(have), jsonObject(want)
	fields := differing(dataField, held, named, "config", markKey)
	return append(fields, differing(configField, jsonObject(held["config"]), jsonObject(named["config"]))...)
}

func differing(prefix string, have, want map[string]json.RawMessage, but ...string) []run.Field {
	var fields []run.Field
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if slices.Contains(but, key) {
			continue
		}
		f := run.Field{Name: prefix + key, To: string(compactJSON(want[key]))}
		if now, there := have[key]; there {
			f.From = string(compactJSON(now))
		}
		if f.From != f.To {
			fields = append(fields, f)
		}
	}
	return fields
}

// dataValue gives a value of a group's data by the name of its field, nil when there is none.
func dataValue(data json.RawMessage, field string) any {
	level, key := jsonObject(data), strings.TrimPrefix(field, dataField)
	if inner, config := strings.CutPrefix(field, configField); config {
		level, key = jsonObject(level["config"]), inner
	}
	if v, there := level[key]; there {
		return string(compactJSON(v))
	}
	return nil
}

// dataOf gives the data to lay over a group's to set fields; nil: none of them is in it.
func dataOf(fields []run.Field) json.RawMessage {
	data, config := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for _, f := range fields {
		text, _ := f.To.(string)
		if !strings.HasPrefix(f.Name, dataField) || !json.Valid([]byte(text)) {
			continue
		}
		if inner, is := strings.CutPrefix(f.Name, configField); is {
			config[inner] = json.RawMessage(text)
		} else {
			data[strings.TrimPrefix(f.Name, dataField)] = json.RawMessage(text)
		}
	}
	if len(config) > 0 {
		data["config"] = marshal(config)
	}
	if len(data) == 0 {
		return nil
	}
	return marshal(data)
}

// marshal writes an object whose values are valid JSON.
func marshal(o map[string]json.RawMessage) json.RawMessage {
	b, err := json.Marshal(o)
	if err != nil {
		return nil
	}
	return b
}

// hasShare reports whether data say with whom one may share.
func hasShare(data json.RawMessage) bool {
	share, there := jsonObject(jsonObject(data)["config"])["share"]
	return there && string(share) != "null"
}

// shareWord gives our word for a share mode as a field has it; false: it is another value.
func shareWord(value any) (string, bool) {
	word, known := map[any]string{"true": "anyone", `"members"`: "members", "false": "nobody"}[value]
	return word, known
}

// ValueOf gives a value of a group by the name of its field, as it stands in changes.
func ValueOf(g *Group, field string) any { return value(&MirrorGroup{Group: *g}, field) }
