using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>Breaks something for a while, over and over; one thing at a time.</summary>
/// <param name="sites">What to break.</param>
/// <param name="random">What and for how long.</param>
/// <param name="isOverdue">Whether a call waits for so long that nothing more is to be broken until it ends.</param>
/// <param name="log">Told of each.</param>
public sealed class FaultInjector(TwoSites sites, Random random, Func<bool> isOverdue, Action<string> log)
{
    private static readonly string[] Kinds = ["mirror frozen", "mirror killed", "osd frozen", "partition", "server killed"];

    /// <summary>Runs until cancelled; whatever is broken then is healed before it returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var pause = TimeSpan.FromSeconds(0.1 + (random.NextDouble() * 6));
            var duration = TimeSpan.FromSeconds(0.3 + (random.NextDouble() * (random.Next(4) == 0 ? 25 : 6)));
            var kind = Kinds[random.Next(Kinds.Length)];
            var site = sites.Both[random.Next(2)];
            do
                await WaitAsync(pause, cancellationToken);
            while (isOverdue() && !cancellationToken.IsCancellationRequested);
            if (cancellationToken.IsCancellationRequested)
                return;
            log($"fault: {kind} at {site} for {duration.TotalSeconds:0.0} s");
            try
            {
                await BreakAsync(kind, site);
                await WaitAsync(duration, cancellationToken);
            }
            finally
            {
                await HealAsync(kind, site);
                log($"healed: {kind} at {site}");
            }
        }
    }

    private Task BreakAsync(string kind, Site site) => kind switch
    {
        "mirror frozen" => sites.StopAsync(site, "mirror", "freeze"),
        "mirror killed" => sites.StopAsync(site, "mirror", "kill"),
        "osd frozen" => sites.StopAsync(site, "osd", "freeze"),
        "partition" => sites.PartitionAsync(),
        _ => site.KillServerAsync(),
    };

    private Task HealAsync(string kind, Site site) => kind switch
    {
        "mirror frozen" or "mirror killed" => sites.StartAsync(site, "mirror"),
        "osd frozen" => sites.StartAsync(site, "osd"),
        "partition" => sites.HealAsync(),
        _ => site.RestartServerAsync(),
    };

    private static Task WaitAsync(TimeSpan time, CancellationToken cancellationToken) =>
        Task.Delay(time, cancellationToken).ContinueWith(static _ => { }, TaskScheduler.Default);
}
