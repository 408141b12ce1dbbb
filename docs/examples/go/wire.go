package podlogin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The protocol, version 1: see protocol.md.
const (
	version    = 1
	headerSize = 8
	requestMax = 16384
	answerMax  = 32768
	listMax    = 64

	typeLogin    = 1
	typeGet      = 2
	typeWhoami   = 3
	typePing     = 4
	typeToken    = 129
	typeIdentity = 130
	typePong     = 131
	typeError    = 255
)

var errBadAnswer = errors.New("the answer breaks a rule of the protocol")

// A field is a row of a message's table. The value is a *uint32, *uint64, *[]byte, *string or *[]string.
type field struct {
	tag      byte
	value    any
	required bool
	limit    uint64
}

// encode appends a request to frames. What is empty and not required is left out.
func encode(frames []byte, kind byte, id uint16, fields ...field) ([]byte, error) {
	var payload []byte
	for _, f := range fields {
		value := f.bytes()
		if len(value) == 0 && !f.required {
			continue
		}
		if len(value) == 0 || f.size(value) > f.limit {
			return nil, fmt.Errorf("field %d of the request is empty or too long", f.tag)
		}
		payload = append(payload, f.tag, byte(len(value)>>16), byte(len(value)>>8), byte(len(value)))
		payload = append(payload, value...)
	}
	if len(payload) > requestMax {
		return nil, errors.New("the request is too long")
	}
	frames = binary.BigEndian.AppendUint32(frames, uint32(len(payload)))
	frames = append(frames, version, kind)
	frames = binary.BigEndian.AppendUint16(frames, id)
	return append(frames, payload...), nil
}

// bytes returns the value of a field of a request, which is never a list; none if it is a number that is 0.
func (f field) bytes() []byte {
	switch value := f.value.(type) {
	case *uint32:
		if *value != 0 {
			return binary.BigEndian.AppendUint32(nil, *value)
		}
	case *uint64:
		if *value != 0 {
			return binary.BigEndian.AppendUint64(nil, *value)
		}
	case *[]byte:
		return *value
	case *string:
		return []byte(*value)
	}
	return nil
}

// size returns what the limit of a field counts: the number, or the bytes of the value.
func (f field) size(value []byte) uint64 {
	switch f.value.(type) {
	case *uint32:
		return uint64(binary.BigEndian.Uint32(value))
	case *uint64:
		return binary.BigEndian.Uint64(value)
	}
	return uint64(len(value))
}

// readFrame reads one answer.
func readFrame(reader io.Reader) (kind byte, id uint16, payload []byte, err error) {
	var header [headerSize]byte
	if _, err = io.ReadFull(reader, header[:]); err != nil {
		return 0, 0, nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if header[4] != version || size > answerMax {
		return 0, 0, nil, errBadAnswer
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(reader, payload)
	return header[5], binary.BigEndian.Uint16(header[6:]), payload, err
}

// decode reads the fields of an answer. It accepts what the protocol allows, and nothing else.
func decode(payload []byte, fields ...field) error {
	present := map[byte]int{}
	last := -1
	for len(payload) > 0 {
		if len(payload) < 4 {
			return errBadAnswer
		}
		tag := payload[0]
		size := int(payload[1])<<16 | int(payload[2])<<8 | int(payload[3])
		payload = payload[4:]
		if size > len(payload) || int(tag) < last {
			return errBadAnswer
		}
		present[tag]++
		if err := set(fields, tag, payload[:size], present[tag]); err != nil {
			return err
		}
		last = int(tag)
		payload = payload[size:]
	}
	for _, f := range fields {
		if f.required && present[f.tag] == 0 {
			return errBadAnswer
		}
	}
	return nil
}

// set stores a value that has come for the nth time. Fields with high tags may be unknown.
func set(fields []field, tag byte, value []byte, nth int) error {
	for _, f := range fields {
		if f.tag == tag {
			return f.set(value, nth)
		}
	}
	if tag < 128 {
		return errBadAnswer
	}
	return nil
}

func (f field) set(value []byte, nth int) error {
	list, isList := f.value.(*[]string)
	if nth > 1 && (!isList || nth > listMax) || f.required && len(value) == 0 {
		return errBadAnswer
	}
	switch number := f.value.(type) {
	case *uint32:
		if len(value) != 4 || f.size(value) > f.limit {
			return errBadAnswer
		}
		*number = binary.BigEndian.Uint32(value)
		return nil
	case *uint64:
		if len(value) != 8 || f.size(value) > f.limit {
			return errBadAnswer
		}
		*number = binary.BigEndian.Uint64(value)
		return nil
	}
	if uint64(len(value)) > f.limit {
		return errBadAnswer
	}
	if data, ok := f.value.(*[]byte); ok {
		*data = bytes.Clone(value)
		return nil
	}
	if bytes.ContainsFunc(value, func(char rune) bool { return char < 0x20 || char == 0x7f }) {
		return errBadAnswer
	}
	if isList {
		*list = append(*list, string(value))
	} else {
		*f.value.(*string) = string(value)
	}
	return nil
}
