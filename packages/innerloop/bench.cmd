@echo off
rem The same on Windows: `packages\innerloop\bench`.
rem The program comes last and outside of brackets: its exit code is that of this file, and a bracket
rem or a sign of cmd among its arguments closes nothing.
setlocal disabledelayedexpansion
set check="import sys; sys.exit(sys.version_info < (3, 10))"
set python=py -3
%python% -c %check% >nul 2>nul
if not errorlevel 1 goto run
set python=python
%python% -c %check% >nul 2>nul
if not errorlevel 1 goto run
set python=python3
%python% -c %check% >nul 2>nul
if not errorlevel 1 goto run
echo innerloop: Python 3.10 or newer is needed, and none is on PATH. Install it from python.org. >&2
exit /b 1
:run
%python% "%~dp0bench" %*
