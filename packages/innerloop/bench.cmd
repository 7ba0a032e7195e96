@echo off
rem The same on Windows: `packages\innerloop\bench`.
setlocal
where py >nul 2>nul && ( py -3 "%~dp0bench" %* & exit /b )
python "%~dp0bench" %*
exit /b
