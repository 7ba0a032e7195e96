@echo off
rem The command line on Windows: `scripts\loop run digit_recognition`.
setlocal
where py >nul 2>nul && ( py -3 "%~dp0loop" %* & exit /b )
python "%~dp0loop" %* & exit /b
