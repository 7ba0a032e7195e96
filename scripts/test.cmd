@echo off
rem The same on Windows: `scripts\test`.
setlocal
where py >nul 2>nul && ( py -3 "%~dp0test" %* & exit /b )
python "%~dp0test" %* & exit /b
