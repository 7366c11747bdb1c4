using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>The executable under test, running as <c>omap-generator</c> with an HTTP endpoint of its own.</summary>
public sealed class GeneratorProcess : IDisposable
{
    private readonly ConcurrentQueue<string> _log = new();
    private readonly Process _process;
    private readonly HttpClient _http;

    public GeneratorProcess(IEnumerable<string> arguments)
    {
        var address = $"http://127.0.0.1:{FreePort()}";
        _http = new HttpClient { BaseAddress = new Uri(address) };
        _process = ServerProcess.Start([.. arguments, "--http-endpoint", address]);
        _process.ErrorDataReceived += (_, line) => _log.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
    }

    public IEnumerable<string> Log => _log;

    public Task<string> GetAsync(string path) => _http.GetStringAsync(path);

    public async Task<HttpStatusCode> StatusAsync(string path)
    {
        using var answer = await _http.GetAsync(path);
        return answer.StatusCode;
    }

    public async Task<Scrape> ScrapeAsync() => Scrape.Of(await GetAsync("/metrics"));

    public Task ReadyAsync() => Eventually.TrueAsync(async () =>
    {
        using var answer = await _http.GetAsync("/readyz");
        return answer.IsSuccessStatusCode && await answer.Content.ReadAsStringAsync() == "ok\n";
    }, "the first pass is done");

    /// <summary>Memory that it has in RAM, at most so far.</summary>
    public long PeakResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.PeakWorkingSet64;
        }
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Has it stand still, as a machine does whose disk hangs.</summary>
    public Task FreezeAsync() => ProcessOutput.OfAsync("kill", "-STOP", _process.Id.ToString());

    /// <summary>Lets it go on.</summary>
    public Task ThawAsync() => ProcessOutput.OfAsync("kill", "-CONT", _process.Id.ToString());

    /// <summary>Asks the generator to stop, waits, and returns its exit code.</summary>
    public async Task<int> TerminateAsync()
    {
        await ProcessOutput.OfAsync("kill", "-TERM", _process.Id.ToString());
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
        _http.Dispose();
    }

    private static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }
}
