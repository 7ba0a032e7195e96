"""Which process has a TCP connection, and whose process that is, on Windows."""

from __future__ import annotations

import socket
import struct
import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # Source: iphlpapi.h, TCP_TABLE_CLASS and MIB_TCPROW_OWNER_PID (six 32-bit numbers: state, local
    # address and port, remote address and port, process; ports in network order).
    _OWNER_PID_CONNECTIONS = 4
    _ROW = struct.Struct("=6I")
    # Source: winnt.h and winbase.h.
    _QUERY_LIMITED_INFORMATION, _TOKEN_QUERY, _TOKEN_USER = 0x1000, 0x0008, 1
    _TOO_SMALL = 122

    _iphlpapi = ctypes.WinDLL("iphlpapi", use_last_error=True)
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel32.OpenProcess.restype = wintypes.HANDLE
    _kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _advapi32.OpenProcessToken.argtypes = (
        wintypes.HANDLE,
        wintypes.DWORD,
        ctypes.POINTER(wintypes.HANDLE),
    )
    _advapi32.GetTokenInformation.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.POINTER(wintypes.DWORD),
    )
    _advapi32.GetLengthSid.restype = wintypes.DWORD
    _advapi32.GetLengthSid.argtypes = (ctypes.c_void_p,)

    def process_of(local: tuple[str, int], remote: tuple[str, int]) -> int | None:
        """The process with the connection from `local` to `remote`; None if there is none."""
        wanted = (*_end(local), *_end(remote))
        for row in _table():
            if (row[1], row[2] & 0xFFFF, row[3], row[4] & 0xFFFF) == wanted:
                return row[5]
        return None

    def user_of(pid: int) -> bytes | None:
        """The security identifier of a process's user; None if we may not know it."""
        handle = _kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return None
        token = wintypes.HANDLE()
        try:
            if not _advapi32.OpenProcessToken(handle, _TOKEN_QUERY, ctypes.byref(token)):
                return None
            try:
                return _sid(token)
            finally:
                _kernel32.CloseHandle(token)
        finally:
            _kernel32.CloseHandle(handle)

    def _sid(token: wintypes.HANDLE) -> bytes | None:
        buffer = ctypes.create_string_buffer(1024)
        size = wintypes.DWORD()
        if not _advapi32.GetTokenInformation(
            token, _TOKEN_USER, buffer, len(buffer), ctypes.byref(size)
        ):
            return None
        # TOKEN_USER begins with a pointer to the identifier.
        pointer = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_void_p)).contents.value
        return (
            None if pointer is None else ctypes.string_at(pointer, _advapi32.GetLengthSid(pointer))
        )

    def _end(address: tuple[str, int]) -> tuple[int, int]:
        (host,) = struct.unpack("=I", socket.inet_aton(address[0]))
        return host, socket.htons(address[1])

    def _table() -> list[tuple[int, ...]]:
        size = wintypes.DWORD(1 << 16)
        while True:
            buffer = ctypes.create_string_buffer(size.value)
            code = _iphlpapi.GetExtendedTcpTable(
                buffer, ctypes.byref(size), False, socket.AF_INET, _OWNER_PID_CONNECTIONS, 0
            )
            if code == 0:
                break
            if code != _TOO_SMALL:
                raise OSError(code, "GetExtendedTcpTable")
        (count,) = struct.unpack_from("=I", buffer)
        return [_ROW.unpack_from(buffer, 4 + index * _ROW.size) for index in range(count)]
