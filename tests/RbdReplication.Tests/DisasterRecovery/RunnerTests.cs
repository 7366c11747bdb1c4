using System.Net;
using RbdReplication.DisasterRecovery;
using RbdReplication.Kubernetes;

namespace RbdReplication.Tests.DisasterRecovery;

public sealed class RunnerTests
{
    private readonly Told _told = new();

    [Fact]
    public async Task Steps_are_done_in_order_and_what_one_awaits_is_told_when_more_than_numbers_change()
    {
        var looks = new Queue<string?>(["a 1 s ago", "a 2 s ago", "b", null]);
        var done = new List<string>();
        await RunAsync(new Plan(
        [
            new Step("first", _ => Add(done, "first")) { LookAsync = _ => Task.FromResult(looks.Dequeue()) },
            new Step("second", _ => Add(done, "second")),
        ], ["mind"], "all is well"));
        Assert.Equal(["first", "second"], done);
        Assert.Equal(["remark mind", "began first", "awaits a 1 s ago", "awaits b", "done", "began second", "done", "ended all is well"], _told.Lines);
    }

    [Fact]
    public async Task A_dry_run_tells_the_plan_and_does_nothing()
    {
        await RunAsync(new Plan([new Step("first", _ => throw new InvalidOperationException())], [], "all is well"), isDryRun: true);
        Assert.Equal(["planned 1 first", "ended nothing was done: this is what would be"], _told.Lines);
    }

    [Fact]
    public async Task A_plan_without_steps_has_nothing_to_do()
    {
        await RunAsync(new Plan([], [], "all is well"));
        Assert.Equal(["ended nothing to do: all is well"], _told.Lines);
    }

    [Fact]
    public async Task A_wait_outlives_an_API_server_that_is_restarted()
    {
        var looks = 0;
        await RunAsync(new Plan([new Step("first", _ => Task.CompletedTask)
        {
            LookAsync = _ => looks++ == 0 ? throw Failure(HttpStatusCode.ServiceUnavailable) : Task.FromResult<string?>(null),
        }], [], "all is well"));
        Assert.Equal(["began first", "awaits site-b: cannot list", "done", "ended all is well"], _told.Lines);
    }

    [Fact]
    public async Task A_refusal_ends_a_wait_at_once()
    {
        var plan = new Plan([new Step("first", _ => Task.CompletedTask) { LookAsync = _ => throw Failure(HttpStatusCode.Forbidden) }], [], "all is well");
        Assert.Equal("site-b: cannot list", (await Assert.ThrowsAsync<ProcedureException>(() => RunAsync(plan))).Message);
    }

    [Fact]
    public async Task A_wait_that_takes_too_long_says_what_it_waited_for()
    {
        var plan = new Plan([new Step("first", _ => Task.CompletedTask) { LookAsync = _ => Task.FromResult<string?>("the moon") }], [], "all is well");
        var failure = await Assert.ThrowsAsync<ProcedureException>(() => new Runner(_told, TimeSpan.Zero).RunAsync(plan, false, TestContext.Current.CancellationToken));
        Assert.Equal("first: not done within 0 s; the moon", failure.Message);
        Assert.Contains("goes on where it stopped", failure.Next, StringComparison.Ordinal);
    }

    private static ProcedureException Failure(HttpStatusCode status) => new("site-b: cannot list", "next", KubernetesApiException.From(status, null));

    private static Task Add(List<string> done, string what)
    {
        done.Add(what);
        return Task.CompletedTask;
    }

    private Task RunAsync(Plan plan, bool isDryRun = false) =>
        new Runner(_told, TimeSpan.FromMinutes(5)).RunAsync(plan, isDryRun, TestContext.Current.CancellationToken);

    private sealed class Told : Timeline
    {
        public List<string> Lines { get; } = [];

        public override void Remark(string text) => Lines.Add($"remark {text}");

        public override void Planned(int number, string what) => Lines.Add($"planned {number} {what}");

        public override void Began(TimeSpan sinceStart, string what) => Lines.Add($"began {what}");

        public override void Awaits(TimeSpan sinceStart, string what) => Lines.Add($"awaits {what}");

        public override void Done(TimeSpan sinceStart, TimeSpan took) => Lines.Add("done");

        public override void Ended(TimeSpan sinceStart, string outcome) => Lines.Add($"ended {outcome}");
    }
}
