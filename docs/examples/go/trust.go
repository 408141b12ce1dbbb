package podlogin

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

const (
	atFdcwd   = -100
	atEaccess = 0x200
	writeOK   = 2
)

// trust returns nil if the server at the other end may see the service-account token: it runs as the user with this
// number, and no process of this pod can have put its socket there.
func trust(connection *net.UnixConn, socket string, uid int) error {
	raw, err := connection.SyscallConn()
	if err != nil {
		return err
	}
	var server *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		server, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return err
	}
	if int(server.Uid) != uid {
		return fmt.Errorf("the server at %s runs as user %d, not %d", socket, server.Uid, uid)
	}
	if os.Geteuid() == 0 || os.Geteuid() == uid {
		return nil
	}
	directory := filepath.Dir(socket)
	switch err = syscall.Faccessat(atFdcwd, directory, writeOK, atEaccess); err {
	case syscall.EACCES, syscall.EROFS:
		return nil
	case nil:
		return fmt.Errorf("this process can write to %s, and could replace the socket; mount it read-only", directory)
	default:
		return fmt.Errorf("cannot check whether this process can write to %s: %w", directory, err)
	}
}
