using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests;

public sealed class ReadingDemandTests
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(5);

    private readonly ManualTime _time = new();
    private readonly ReadingDemand _demand;

    public ReadingDemandTests() => _demand = new(Window, _time);

    [Theory]
    [InlineData(null, 10)]
    [InlineData(1, 3)]
    [InlineData(300, 3)]
    [InlineData(1000, 10)]
    [InlineData(10_000, 100)]
    public void It_takes_the_more_calls_the_more_images_are_to_be_read(int? images, int calls)
    {
        for (var i = 1; i < calls; i++)
            _demand.Count();
        Assert.False(_demand.Pays(images));
        _demand.Count();
        Assert.True(_demand.Pays(images));
    }

    [Fact]
    public void The_calls_of_a_window_pay_for_the_next_one_too_and_not_for_those_after_it()
    {
        for (var i = 0; i < 3; i++)
            _demand.Count();
        _time.Advance(Window);
        Assert.True(_demand.Pays(1));
        _time.Advance(Window);
        Assert.False(_demand.Pays(1));
    }

    [Fact]
    public void After_a_pause_it_begins_again()
    {
        for (var i = 0; i < 3; i++)
            _demand.Count();
        _time.Advance(Window * 2);
        Assert.False(_demand.Pays(1));
        _demand.Count();
        Assert.False(_demand.Pays(1));
    }
}
